"""Declared models: cells wired from nodes."""
