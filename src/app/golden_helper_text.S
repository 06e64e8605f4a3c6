# The text of python/slipway/golden.py; found by the include path of src/.
  .section .rodata
  .global slipway_golden_helper
  .global slipway_golden_helper_end
slipway_golden_helper:
  .incbin "../python/slipway/golden.py"
slipway_golden_helper_end:
  .byte 0
  .section .note.GNU-stack, "", %progbits
