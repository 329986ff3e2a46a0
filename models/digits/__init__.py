"""Handwritten digits: an LSTM reads an image row by row and a soft-max names the digit; `nodegraph digits`."""
