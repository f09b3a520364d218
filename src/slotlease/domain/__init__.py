"""The rules of the shop: values and single rules. No clock, no I/O, no wire types, no store."""
