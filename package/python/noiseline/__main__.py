"""`python -m noiseline` is the command line."""

from ._toolkit import main

if __name__ == "__main__":
    main()
