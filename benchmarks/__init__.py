"""The papers' tables, reproduced: cost, splits, accuracy and speed. Commands; the library never imports them."""
