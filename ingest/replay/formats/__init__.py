"""File formats a recording may have: a module each, chosen by how the file begins."""
