"""The Gradio page: what a visitor sees. Everything it computes comes from the library, which never imports it."""
