"""`python -m proxy` is `onehop`, also where that is not on the PATH."""

from proxy.cli.main import main

if __name__ == "__main__":
    main(prog_name="python -m proxy")
