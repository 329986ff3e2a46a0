"""A character-level language model: train it on text, sample from it, look into it."""
