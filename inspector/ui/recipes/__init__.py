"""The recipes page: recipes made and changed with their cameras' pictures in view."""
