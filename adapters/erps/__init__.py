"""Systems that keep the books, one folder each."""
