"""An owner's taste: queries, answers, the choice model, and the style that follows from them."""
