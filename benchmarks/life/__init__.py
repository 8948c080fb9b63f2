"""What clients lose while a proxy is reloaded and stopped, under a steady load of which every answer is checked."""
