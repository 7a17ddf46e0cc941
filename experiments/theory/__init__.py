"""What is predicted: by quadrature, linear algebra and expansions, from a loss's formulas and a noise's density."""
