"""The Policy Service: marketing actions and policies, and our own labels, enforcement and consent policies beside them."""
