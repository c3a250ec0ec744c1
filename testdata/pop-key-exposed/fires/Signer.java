class Signer {
    static final String KEY =
        "-----BEG¦IN PRIVATE KEY-----\n" +
        "MIGHAgE¦AMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbGl9qH4T40LsaZX1\n" +
        "j6DtRtIENmZ+R5c29ELUjIUFjtOhRANCAAQLb0kcQfA11VlWmgmAw/gXGlA1RCik\n" +
        "2r/+LGbNSr6gpOI+RqiMTvEr8h3Zjw4RWpzOd0J+6SrFt2IwqvijYDla\n" +
        "-----END PRIVATE KEY-----\n";
}
