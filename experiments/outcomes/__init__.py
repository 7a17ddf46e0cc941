"""Labels and their probabilities: the law behind them, labels that lie, calibration, one likelihood in two guises."""
