"""How straight, fast and steadily the dog walks, case by case."""
