"""A room that dog and person share: walls, furniture, uneven ground, things to fetch, sound that has a place."""
