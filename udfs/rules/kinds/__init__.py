"""One file for each kind of condition; discovery finds them."""
