"""Tickets in many languages, technical English, and what is in no language at all, written for these tests."""

ENGLISH = [
    "Since yesterday evening the payment service returns errors for about one in ten customers",
    "Please give Anna write access to the finance share",
    "My laptop does not wake up after closing the lid",
    "The nightly backup job failed again, log attached",
    "Deployment to staging hangs at the database migration step",
    "Customers in Spain cannot see their invoices",
    "We see high latency on the orders database after the upgrade",
    "Pods keep restarting with out of memory errors",
    "Can someone look at the firewall rule for the new office?",
    "The certificate of the login page expires tomorrow",
    "Kafka consumer lag is growing since the broker restart",
    "Replication to the standby server stopped",
    "I forgot my password and the reset mail never arrives",
    "Two-factor codes are not accepted on my new phone",
    "Disk usage alert on the build machine",
    "The build fails because the artifact repository is unreachable",
    "Meeting room display shows a blue screen",
    "Error connecting to remote desktop gateway",
    "Elasticsearch cluster health is red after node loss",
    "Web server returns gateway timeout under load",
    "Java heap space error in the reporting service",
    "Failed to pull image from the private registry",
    "Grafana dashboards show no data for two hours",
    "Unexpected end of file while parsing the configuration",
    "Calendar invitations are not delivered to external people",
    "The scanner sends empty documents to the mailbox",
]
OTHERS = {
    "de": """Seit heute früh kann sich niemand mehr am Portal anmelden
Bitte neuen Benutzer für die Buchhaltung anlegen
Die Datenbank ist sehr langsam, Abfragen dauern Minuten
Mein Bildschirm bleibt nach dem Start schwarz""",
    "fr": """Depuis ce matin je ne peux plus ouvrir ma messagerie
Merci de créer un compte pour le nouveau collègue
Le disque du serveur de sauvegarde est plein
La connexion au réseau est très lente au bureau""",
    "es": """Desde ayer no puedo acceder al portal de clientes
Por favor creen una cuenta para la nueva compañera
El disco del servidor está lleno
La aplicación se cierra sola al abrir un informe""",
    "it": """Da questa mattina non riesco ad accedere alla posta
Il disco del server è quasi pieno
Vorrei richiedere una nuova tastiera per il mio ufficio""",
    "nl": """Sinds vanmorgen kan ik niet meer inloggen op het portaal
De schijf van de server is bijna vol
Graag een nieuw toetsenbord voor mijn collega""",
    "pt": """Desde ontem não consigo abrir o correio eletrônico
O disco do servidor está quase cheio
Preciso de acesso à pasta do departamento financeiro""",
    "pl": """Od rana nie mogę otworzyć poczty
Dysk serwera jest prawie pełny
Proszę o dostęp do folderu działu księgowości""",
    "sv": """Sedan i morse kan jag inte öppna min e-post
Skrivaren på tredje våningen fungerar inte längre""",
    "cs": """Od rána se nemohu přihlásit do systému
Tiskárna ve třetím patře nefunguje""",
    "tr": """Bu sabahtan beri e-postamı açamıyorum
Sunucunun diski neredeyse dolu""",
    "ru": """С утра не могу войти в почту и открыть общие документы
Диск на сервере почти заполнен, помогите пожалуйста""",
    "uk": """Зранку не можу увійти до пошти
Диск на сервері майже заповнений""",
    "el": """Από το πρωί δεν μπορώ να ανοίξω το ταχυδρομείο""",
    "ja": """今朝からメールが開けません
サーバーのディスクがほぼ一杯です""",
    "zh": """从今天早上开始我无法打开邮箱
服务器磁盘快满了""",
    "ko": """오늘 아침부터 메일을 열 수 없습니다""",
    "ar": """منذ هذا الصباح لا أستطيع فتح البريد""",
    "he": """מהבוקר אני לא מצליח לפתוח את הדואר""",
    "fi": """Aamusta lähtien en ole päässyt sähköpostiin""",
    "hu": """Reggel óta nem tudom megnyitni a leveleimet""",
    "vi": """Từ sáng nay tôi không thể mở hộp thư""",
    "th": """ตั้งแต่เช้านี้ฉันเปิดอีเมลไม่ได้""",
}
NONE = [
    "",
    "12345 67890",
    "ok",
    "INC0012345",
    "ERR_CONNECTION_REFUSED 0x80070005",
    "kubectl get pods -n prod --context=eu1",
    "SELECT id, total FROM orders WHERE id = 17;",
    "at com.acme.shop.Orders.place(Orders.java:17)\nat com.acme.shop.Main.main(Main.java:3)",
    "Traceback (most recent call last):\n  File \"/srv/app.py\", line 7, in <module>\nKeyError: 'x'",
    "2025-03-03 10:12:13,123 WARN [pool-1] c.a.Shop - retry=3",
    "def total(items):\n    return sum(item.price for item in items)",
    "/var/log/nginx/error.log",
    '{"level": "error", "code": 17}',
    "10.0.0.1 10.0.0.2 10.0.0.3",
    "!!! ???",
    "$ sudo systemctl restart nginx",
]
SHORT = {  # two or three words: right or unknown, never another language
    "en": [
        "vpn down",
        "disk full",
        "cannot login",
        "printer broken",
        "reset password please",
        "site is slow",
        "no network",
    ],
    "de": ["drucker defekt", "kein netz", "passwort vergessen bitte zurücksetzen"],
    "fr": ["imprimante en panne", "mot de passe oublié"],
    "es": ["impresora rota", "no hay red"],
}
