"""A noisy sine: an LSTM predicts the next value, and goes on from its own predictions; `nodegraph sine`."""
