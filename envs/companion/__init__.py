"""A room that a dog and a person share: walls, furniture, uneven ground, things to fetch, and sound that has a place."""
