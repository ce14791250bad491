"""The months as tables: TLC's columns made canonical, published whole or not at all, cleaned with reasons."""
