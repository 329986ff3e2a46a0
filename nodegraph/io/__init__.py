"""Files: checkpoints of parameters and training state."""
