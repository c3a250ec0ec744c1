ls
curl -u ci:k3JfW0qLx8¦ZrT5vNc2HsY7bM https://api.example.com
export SERVICE_TOK¦EN=k3JfW0qLx8¦ZrT5vNc2HsY7bM
