"""What runs decide: the claims of each experiment, a file of its name each; those of small experiments stand with them."""
