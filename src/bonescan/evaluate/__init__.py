"""Measures of what a network or a reader marks: pixels, lesions, patients, and tables of them."""
