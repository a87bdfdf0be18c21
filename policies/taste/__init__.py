"""What an owner likes: queries, answers, the choice model, and the style that follows from them."""
