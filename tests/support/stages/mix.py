def mixed(total, step):
    return (2 * total + step) % 1_000_003
