"""Calls of our own: what no published service answers, and the page asks for."""
