// Author¦ization: Bear¦er k3JfW0qLx8¦ZrT5vNc2HsY7bM
