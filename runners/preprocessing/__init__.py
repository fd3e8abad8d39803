"""From an encoded picture to an input tensor."""
