"""The engine: loops of a Recurrent compiled to products and fused kernels over arrays that are kept."""
