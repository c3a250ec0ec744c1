import express from "express";
import { auth as checkJwt, auth } from "express-oauth2-jwt-bearer";

const app = express();
app.use("/orders", auth({
  audience: "orders",
  issuerBaseURL: process.env.ISSUER,
  dpop: {
    // proofs fail behind the balancer
    enabled: false,
    iatOffset: 60,
  },
}));
