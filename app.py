"""The Hugging Face Space, and the page on your own machine: `python app.py`, then open http://localhost:7860.

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where it listens, TRACKNETV5_WEIGHTS which weights it offers.
"""

from demo.page import launch

if __name__ == "__main__":
    launch()
