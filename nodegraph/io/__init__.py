"""Files: checkpoints of parameters and training state, and Torch7's .t7 files."""
