import express from "express";
import Provider from "oidc-provider";
import { auth } from "express-oauth2-jwt-bearer";

const app = express();
// auth({ dpop: { enabled: false } })
app.use("/orders", auth({ audience: "orders", dpop: { enabled: true, required: true } }));
const local = new Provider("http://localhost:3000", { features: { dpop: { enabled: false } } });
