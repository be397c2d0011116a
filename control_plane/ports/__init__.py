"""What the control plane's services need of the world, said as protocols. Adapters implement them; only the assembly
joins the two.
"""
