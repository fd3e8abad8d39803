"""What a picture goes through before it is a tensor, taken apart: to imitate it or to find out."""
