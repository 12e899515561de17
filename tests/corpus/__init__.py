"""Inputs as they go wrong in the world, each with the exact words that a user is to read."""
