"""The weights: elastic layers, the training loop, calibration, evaluation and export."""
