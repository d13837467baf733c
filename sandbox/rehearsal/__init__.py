"""The rehearsal behind ``make run``: one deployment of the shop, followed from trigger to exit state."""
