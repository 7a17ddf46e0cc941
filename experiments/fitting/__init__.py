"""θ̂ to the optimum, and on the way there: SciPy, Newton, linear programmes, gradient descent, scales, other people's fits."""
