"""`python -m proxy` is `onehop`."""

from proxy.cli.main import main

if __name__ == "__main__":
    main(prog_name="onehop")
