"""Personal data in odd spellings, one a line: the text, then behind the last bar what must not survive of it."""

TYPED = """
hi, contact «Ana_Lopez99@hotmail.es» pls|Ana_Lopez99@hotmail.es
E-mail adress is k.o'brien@acme.ie|k.o'brien@acme.ie
bob@localhost.localdomain got no mail|bob@localhost.localdomain
reply-to=support-lead@acme.io;|support-lead@acme.io
our user id: x123@acme.com|x123@acme.com
name [dot] last [at] acme [dot] com|name [dot] last [at] acme [dot] com
telephone (office): 0207 946 0018|0207 946 0018
my mobile's 07911 123456|07911 123456
M: 07911-123-456|07911-123-456
call 1-800-555-0199|1-800-555-0199
ph. 555-0199 x3|555-0199
mob +353 87 123 4567|+353 87 123 4567
Tel 0043 1 5880 123|0043 1 5880 123
(+1) 415 555 0132|415 555 0132
Cell:(415)5550132|(415)5550132
0 800 123 45 67 is my desk|0 800 123 45 67
cc# 5500-0000-0000-0004 exp 1/27|5500-0000-0000-0004
Amex 3400 000000 00009|3400 000000 00009
MC:5500000000000004|5500000000000004
card ****4242 full 4242424242424242.|4242424242424242
card=4242 4242 4242 4242;cvc=1|4242 4242 4242 4242
IBAN FR14 2004 1010 0505 0001 3M02 606|FR14 2004 1010 0505 0001 3M02 606
iban:nl91abna0417164300|nl91abna0417164300
My password: p@ssw0rd!|p@ssw0rd!
PASSWORD=Tr0ub4dor&3|Tr0ub4dor&3
pw:letmein|letmein
credentials are admin/S3cr3t!|S3cr3t!
user=admin pwd=admin123|admin123
passwd -> qwerty12|qwerty12
the pass is Blue42Sky|Blue42Sky
password i use: Kitten#7|Kitten#7
logged in with pw "kitten77"|kitten77
mongodb+srv://root:Zx9!kk@cluster0.mongodb.net|Zx9!kk
sshpass -p 'hunter2x' ssh root@h|hunter2x
ftp://u:pw1234@ftp.example.com|pw1234
Passwort für Max: Sonne#12|Sonne#12
mi contraseña es Gato2020|Gato2020
token ghs_16C7e42F292c6912E7710c838347Ae178B4a|ghs_16C7e42F292c6912E7710c838347Ae178B4a
X-Auth-Token: 5d41402abc4b2a76b9719d911017c592|5d41402abc4b2a76b9719d911017c592
"apiKey":"a8f5f167f44f4964e6c998dee827110c"|a8f5f167f44f4964e6c998dee827110c
Bearer abcdefghijklmnopqrstuvwxyz012345|abcdefghijklmnopqrstuvwxyz012345
SLACK_TOKEN=xoxb-1234567890-abcdefGHIJKL|xoxb-1234567890-abcdefGHIJKL
client secret is Q~8x7Gh2kLm9PqRs4TuVw|Q~8x7Gh2kLm9PqRs4TuVw
AccountKey=Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==|Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==
stripe key sk_test_4eC39HqLyjWDarjtT1zdp7dc|sk_test_4eC39HqLyjWDarjtT1zdp7dc
Cookie: sessionid=38afes7a8b2c9d0e1f|38afes7a8b2c9d0e1f
my social is 219-09-9999|219-09-9999
SSN# 219099999|219099999
Social Security #: 219 09 9999|219 09 9999
NI: AB 12 34 56 C|AB 12 34 56 C
nino ab123456c|ab123456c
passport A12345678 expires|A12345678
Passport No. : 123456789|123456789
passport nr 12AB34567|12AB34567
my driving licence is MORGA657054SM9IJ|MORGA657054SM9IJ
DL# D1234567|D1234567
driver’s license: S123-4567-8901|S123-4567-8901
DOB=1990-04-05|1990-04-05
D.O.B.: 05.04.90|05.04.90
born 5/4/1990|5/4/1990
birth date is April 5th 1990|April 5th 1990
date of birth 5 Apr 90|5 Apr 90
geb. 05.04.1990|05.04.1990
acc no 12345678|12345678
account: 12345678 sort: 12-34-56|12-34-56
A/C No. 00012345678|00012345678
BSB 062-000 acct 12345678|062-000
Routing 021000021 account 123456789012|021000021
bank acct number is 9876543210|9876543210
Kto. 1234567890 BLZ 37040044|37040044
"""
