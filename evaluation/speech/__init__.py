"""How well voices are judged: by fold, by corpus, and across languages."""
