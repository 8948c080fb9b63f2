"""Mixed traffic for as long as one likes, with everything that goes wrong in an instance's life: does anything grow?"""
