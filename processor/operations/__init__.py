"""What operators do with a deployment: dead letters, state, replay, sizing, and checks of a configuration."""
