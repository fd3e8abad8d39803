"""How accurate a model is on labelled pictures, and whether a runtime's answers are less so."""
