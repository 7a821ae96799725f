"""Training: the loss and the loop. Nothing outside this folder imports it, but for the command line."""
