"""Readers of labelled rallies, training targets, augmentation, and synthetic rallies."""
