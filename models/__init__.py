"""Declared models: recurrent cells and networks, wired from nodes, and the applications built on them."""
