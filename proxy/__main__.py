"""`python -m proxy` is `onehop`."""

from proxy.cli import main

if __name__ == "__main__":
    main(prog_name="onehop")
