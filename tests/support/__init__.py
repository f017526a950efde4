"""What tests of several stages share: models, servers, and pieces of the product on scripts."""
