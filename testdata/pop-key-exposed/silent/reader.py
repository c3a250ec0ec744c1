TOKEN = "ey¦JhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IjIwMjYtMTEifQ.ey¦Jpc3MiOiJodHRwczovL2FzLmFjbWUudGVzdCIsInN1YiI6InN2Yy0xMiIsImNsaWVudF9pZCI6ImJpbGxpbmciLCJhdWQiOiJodHRwczovL2FwaS5hY21lLnRlc3QiLCJpYXQiOjE3OTUyNjIwMDAsImV4cCI6MTc5NTI2NTYwMCwianRpIjoiajEyIiwic2NvcGUiOiJvcmRlcnM6cmVhZCJ9.Wq20VSDc2HJrKCKnp4u1PXlPVXGZ1dSr3t0sVaS9bKc2B2BcVY3j24DI6GwxlkhFZhY-0TJ-gui2dX0ZMhE8uA"
BEGIN = "-----BEG¦IN PRIVATE KEY-----"
END = "-----END PRIVATE KEY-----"

def strip(pem):
    return pem.replace(BEGIN, "").replace(END, "")
